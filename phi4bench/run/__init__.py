"""A run: options, a plan, one child process for each artifact, scores and gates. Knows neither pytest nor reports."""
