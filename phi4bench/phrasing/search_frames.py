# ruff: noqa: E501  (phrases read best unbroken, one a line)
"""What people say to grep and glob: frames by recipe, as in `frames`. Data only."""

from __future__ import annotations

GREP_ORDERS = """
    !(search|scan|comb|go through|look through|check|examine|inspect|search through|comb through|sift through|query) {Z} for {Q}
    !(look|search|hunt|check|scan|dig|grep) for {Q} (in|inside|under|within|across|throughout) {Z}
    !(find|locate|grep|spot|track down|look up|dig up|discover) {Q} (in|inside|under|within|across|throughout) {Z}
    !(find|list|show|show me|get|give me|locate|collect|display|print|look up|report) (every|any|each) (occurrence of|mention of|use of|reference to|line with|line containing|line matching|place with|match for|hit for|instance of) {Q} (in|inside|under|within) {Z}
    !(find|list|show|show me|get|give me|locate|print|look up|look for|search for) (all the|the|all) (occurrences of|mentions of|uses of|references to|lines with|lines containing|lines that match|lines that contain|places that use|matches for|hits for|calls to|usages of|instances of) {Q} (in|inside|under|within) {Z}
    grep (for |){Q} (in|inside|under|through|across) {Z}
    grep {Z} for {Q}
    !in {Z}, (look for|search for|find|grep for|locate|find all|hunt for|check for|find every) {Q}
    (find|see|check|tell me|show me|figure out|find out|let me know) where {Q} (is used|occurs|appears|is mentioned|shows up|comes up|is referenced|is called|turns up|is) in {Z}
    !(find|see|check|tell me|show me|list|figure out|find out) which (files|modules) (in|under|of|inside) {Z} (contain|mention|use|have|reference|include|call) {Q}
    !(find|see|check|tell me|show me|list|figure out|find out) which lines (in|of|inside) {Z} (contain|mention|use|match|have|reference|include|call) {Q}
    !(find|see|check|tell me|show me|list|figure out|find out) which (places|parts) (in|inside) {Z} (contain|mention|use|match|reference|call) {Q}
    !(find|list|show me|get|give me|locate) (the files|all files|every file|files|any file) (in|under|inside) {Z} (containing|mentioning|with the text|with) {Q}
    !(find|list|show me|get) (the files|all files|files) (in|under|inside) {Z} that (contain|mention|use|have|include) {Q}
    !(check|see|tell me|find out|let me know|verify|figure out) (whether|if) {Z} (contains|mentions|uses|has|references|includes|still contains|still uses) {Q}
    !(check|see|tell me|find out|let me know) (whether|if) {Q} (is used|appears|occurs|is mentioned|shows up|exists|is anywhere|comes up) in {Z}
    (do|run) a (search|text search|full-text search|grep|quick search) for {Q} (in|under|over|across) {Z}
    (do|run) a (search|text search|grep|quick search) (in|through|over|of) {Z} for {Q}
    search {Q} (in|under|within|inside) {Z}
    search for (the text|the string|the word|the pattern|the regex|the expression|the name|the phrase|the symbol) {Q} (in|under|inside|within) {Z}
    !(look for|find|grep for|grep) (the text|the string|the word|the pattern|the regex|the name|the symbol|anything matching|something like|lines matching) {Q} (in|under|inside) {Z}
    grep: {Q} in {Z}
    match {Q} against (the files in|everything in|the text of|the lines of) {Z}
    use {Q} as a (pattern|regex|search term) (on|in|over) {Z}
"""
GREP_QUESTIONS = """
    where (in|inside|under) {Z} (is|do we use|do we have|do you see|does it say|do we mention|can i find|do we call) {Q}?
    where is {Q} (used|mentioned|referenced|called|imported|found|set|handled) in {Z}?
    where does {Q} (occur|appear|come up|show up|turn up|get used) in {Z}?
    !does {Z} (mention|contain|use|have|reference|include|say|call|import) {Q} (anywhere|at all|somewhere|)?
    does {Q} (occur|appear|show up|exist|come up) (anywhere |)in {Z}?
    is {Q} (used|mentioned|referenced|called|present|anywhere|found) in {Z}?
    is there (a|any|some|still a) {Q} in {Z}?
    is there (any mention|any use|any sign|an occurrence|still a mention) of {Q} in {Z}?
    are there (any |still |)(uses|mentions|occurrences|traces) of {Q} in {Z}?
    !(what|which) (files|modules) (in|of|under) {Z} (contain|mention|use|reference|have|call) {Q}?
    !(what|which) lines (in|of) {Z} (contain|mention|use|match|reference|have|call) {Q}?
    !(what|which) (places|parts) in {Z} (contain|mention|use|match|reference|call) {Q}?
    !who (uses|calls|mentions|references) {Q} in {Z}?
    any (mention|use|sign|trace|occurrence|instance) of {Q} in {Z}?
    !(do|did) we (use|mention|call|have|reference|import) {Q} (in|anywhere in|somewhere in) {Z}?
    !what in {Z} (mentions|contains|uses|matches|refers to) {Q}?
    (mind|how about) (searching|scanning|checking) {Z} for {Q}?
    (mind|how about) (looking for|searching for|grepping) {Q} in {Z}?
    !can you (spot|see|find) {Q} (anywhere |somewhere |)in {Z}?
"""
GREP_REMARKS = """
    i (want|need|would like) (every|each|all|any) {Q} in {Z}
    i (want|need|would like) to (see|know|find out|find|check) (where {Q} is used|every use of {Q}|all mentions of {Q}|where {Q} appears|every line with {Q}|which lines have {Q}) in {Z}
    !i'm (looking|searching|hunting) for {Q} in {Z}
    i'd like to (see|find|know) (where {Q} is|all uses of {Q}|every {Q}|each line that has {Q}) in {Z}
    !i (need|want) to (find|locate|look up|track down|search for) {Q} in {Z}
    {Z}: (find|search for|grep|look for|where is) {Q}
    !{Q} (must be|should be|is|has to be|might be) (somewhere|hidden|used) in {Z}, (find it|search for it|look for it|show me the lines)
    i (can't|cannot|couldn't) find {Q} in {Z}, (search for it|look for it)
    i (wonder|forgot|can't remember|don't know) where {Q} (is used|is|appears|occurs) in {Z}
    i (wonder|don't know|am not sure) (if|whether) {Z} (mentions|contains|uses|has) {Q}, (check|search it|take a look|have a search)
    (let's|let us) (search|scan|grep|check) {Z} for {Q}
    (let's|let us) (find|look for|see|locate) {Q} in {Z}
    (lines|places|files|spots) (with|containing|that mention|matching) {Q} in {Z}
    (occurrences|mentions|uses) of {Q} in {Z}
    references to {Q} in {Z}
    someone (left|put|wrote|used) {Q} (somewhere |)in {Z}, (find it|where is it|find out where)
"""
GREP_TERSE = """
    grep {Q} {Z}
    (search|grep|find|look for): {Q}, (path|in|folder|where): {Z}
    grep -r {Q} in {Z}
"""
GREP_EVERYWHERE = """
    (search|scan|go through|look through|comb through|check|search through) (the project|the code|the codebase|the repo|the repository|everything|the whole project|all files|the source|the current directory|this folder|this project|the entire codebase) for {Q}
    !(find|locate|look for|search for|grep for|grep|hunt for|look up|track down) {Q} (in the project|in the code|in the codebase|in the repo|everywhere|anywhere|in all files|across the project|throughout the code|here|in the current directory|in this folder|in the whole repo|across all files)
    !(find|list|show me|show|give me|get|look for|locate) (every|any|each) (occurrence of|mention of|use of|reference to|line with|line containing|place that uses|match for|call to|usage of) {Q}
    !(find|list|show me|get|give me) (all the|the|all) (occurrences of|mentions of|uses of|references to|lines with|lines containing|places that use|usages of|callers of) {Q}
    !(find|list|show me|get|give me|locate) (all files|every file|the files|files|any files) (containing|mentioning|with the text|with the string|with the word) {Q}
    !(find|list|show me|get|give me|locate) (all files|the files|files|all the files) that (contain|mention|use|reference|import|have|include) {Q}
    (find|see|check|tell me|show me|find out|figure out) where {Q} (is used|occurs|appears|is mentioned|shows up|is referenced|is called|comes up|is imported)
    !(find|see|check|tell me|list|show me) which (files|modules|places) (contain|mention|use|reference|import|call) {Q}
    (check|see|tell me|find out) (whether|if) {Q} (is used|appears|occurs|is mentioned|is referenced) anywhere
    grep (for |){Q}
    (search|grep|look) (for the text|for the string|for the word|for the phrase|for the regex|for the pattern|for) {Q}
    do a (project-wide|global|full) search for {Q}
"""
GREP_EVERYWHERE_QUESTIONS = """
    where is {Q} (used|mentioned|referenced|called|imported|set|handled)?
    where is {Q} (used|mentioned|referenced|called) (in the code|in the project|in this repo|in the codebase)?
    where (do we|do i|does the code|does the project|does anything) (use|mention|call|import|reference|set) {Q}?
    where does {Q} (occur|appear|come up|show up) (in the code|in the project|in the repo|)?
    !which (files|modules|lines|parts of the code|places) (contain|mention|use|reference|call|import|have) {Q}?
    !what files (contain|mention|use|reference|import|call) {Q}?
    is {Q} (used|mentioned|referenced|called) (anywhere|somewhere|in the project|in the codebase|at all)?
    does (the code|the project|anything|any file|the repo|the codebase) (mention|contain|use|call|reference|import) {Q}?
    !who (uses|calls|mentions|references|imports) {Q}?
    any (mention|use|sign|trace|occurrence) of {Q} (anywhere|in the project|in the code|here|in the repo)?
    do we (use|mention|call|have|import|reference) {Q} (anywhere|somewhere)?
    are there any (uses|mentions|occurrences) of {Q} (here|anywhere|in the project)?
"""
GREP_EVERYWHERE_REMARKS = """
    i (want|need) (every|each) (use of|mention of|occurrence of|reference to|line with) {Q}
    i (want|need|would like) to (know|see|find out|check) where {Q} (is used|appears|occurs|is mentioned|is called)
    !i'm (looking|searching) for {Q} (in the project|in the code|somewhere in the repo|everywhere)
    i (wonder|forgot|don't know|can't remember) where (we use|we call|i used|i wrote) {Q}
    (let's|let us) (search|scan|grep) (the code|the project|everything|the repo) for {Q}
    {Q} is (used|mentioned|called) somewhere, (find it|find where|show me where|search for it)
    in the (whole project|codebase|repo|entire project), (find|search for|look for|grep for) {Q}
"""
GREP_DEFINED = """
    (find|show me|locate|look up|tell me|search for) (where {S} is defined|the definition of {S}|where {S} is declared|where {S} is implemented)
    find the (function|class|method|variable) {S} in the (code|project|codebase|repo)
"""
GREP_DEFINED_QUESTIONS = """
    where (is|is the function|is the class|is the method) {S} (defined|declared|implemented)?
    where's {S} (defined|declared|implemented|coming from)?
"""

GLOB_ORDERS = """
    !(list|find|show|show me|get|give me|locate|display|collect|enumerate|look up) (all files|every file|the files|files|all the files|any files|all paths) (matching|like|fitting|of the form|with names like|whose path matches) {G}
    !(list|find|show|show me|get|give me|locate) (all files|the files|files|all the files) (that match|that fit|whose names match|that look like) {G}
    (glob|expand|list) {G}
    glob for {G}
    !(list|find|show me|get|give me|locate|enumerate|collect|see) (all|all the|the) {G} files (here|in the project|)
    !(list|find|show me|get|give me|locate) (every|each) {G} file (here|there is|in the project|)
    !(list|find|show me|get|give me|locate) {G} files
    (search for|look for|hunt for|find me) (files|paths|filenames|file names) (matching|like|that match|of the form) {G}
    use (the glob|the pattern|the wildcard|the glob pattern) {G} (to find files|to list files|and list the matches|and show me the files)
    !(list|show me|tell me|find out|see|check) (what|which) files (match|fit|there are for|are covered by) {G}
    (do|run) a (glob|file search|filename search|glob search) (for|on|with) {G}
    !(list|find|get) everything (matching|that matches|fitting|like) {G}
    !(show|list|print|give) me the (names|paths|list) of (all |)files (matching|that match|like) {G}
    glob: {G}
    expand the (glob|pattern|wildcard) {G}
    match the (glob|pattern|wildcard) {G} against the (project|file tree|files)
    !check for files (matching|like|that match) {G}
"""
GLOB_QUESTIONS = """
    !(what|which) files (match|fit|are matched by|are there for|does the project have for) {G}?
    (what|which) (paths|file names|filenames) match {G}?
    what (matches|do you get for the glob|is matched by) {G}?
    !are there any (files matching|files like|files that match|matches for the glob) {G}?
    is there (any file|a file|anything) (matching|like|that matches) {G}?
    do we have (any |)files (matching|like|that match) {G}?
    do any files match {G}?
    (mind|how about) (listing|finding) (the files|all files|everything) (matching|like) {G}?
"""
GLOB_REMARKS = """
    i (need|want|would like) (all|the|a list of all|a list of the) files (matching|like|that match) {G}
    i (need|want) (every|each) file (matching|like|that matches) {G}
    i'd like (all files|a list of files|to see the files) (matching|like|that match) {G}
    !i'm (looking|searching) for files (matching|like|that match|named like) {G}
    i (need|want) to (see|know|list|find) (which files match|every file matching|all files like) {G}
    (files|all files|file list|paths) (matching|like|for) {G} (please|pls|)
    {G}, (which files are those|list those files|what files match that)?
    (let's|let us) (see|list|find) (which files match|the files matching|all files like) {G}
    glob pattern: {G}
"""
GLOB_LANGUAGE = """
    !(list|find|show|show me|get|give me|locate|display|enumerate|collect|look for|search for) (all|all the|the|my|our|all our|all my) {L} files
    !(list|find|show|show me|get|give me|locate|display|enumerate|collect|look for|search for) (all|all the) {L} files there are
    !(list|find|show|show me|get|give me|locate|display|enumerate) (every|each|every single) {L} file
    !(list|find|show me|get|give me|locate) all (the |){L} files (in the project|in this repo|in the repo|here|in the codebase|that we have|we have|there are|anywhere)
    glob (all |the |){L} files
    (list|show me|tell me|see) (which|what) {L} files (there are|we have|exist|are in the project|are here)
"""
GLOB_LANGUAGE_QUESTIONS = """
    !(what|which) {L} files (are there|do we have|exist|are in the project|does the project have|are in this repo)?
    !where are (the|all the|our|my) {L} files?
    are there any {L} files (here|in the project|in this repo|anywhere|)?
    do we have any {L} files?
"""
GLOB_LANGUAGE_REMARKS = """
    i (need|want|would like) (all|to see all|a list of|every one of|the list of) (the |){L} files
    (all|all the|the) {L} files (please|in the project|in this repo|pls)
    every {L} file (please|in the project|in this repo|pls)
    i'm looking for {L} files
"""
GLOB_LANGUAGE_IN = """
    !(list|find|show|show me|get|give me|locate|display|enumerate|collect|look for) (all|all the|the|any) {L} files (in|under|inside|within|below|from) {D}
    !(list|find|show me|get|give me|locate) (every|each) {L} file (in|under|inside|within|below) {D}
    !in {D}, (list|find|show me|get) (all|all the|the) {L} files
    in {D}, (list|find|show me|get) every {L} file
    (search|scan|go through|look in) {D} for {L} files
"""
GLOB_LANGUAGE_IN_QUESTIONS = """
    !(what|which) {L} files (are|do we have|exist|live|are there) (in|under|inside) {D}?
    are there any {L} files (in|under|inside) {D}?
    does {D} (have|contain) any {L} files?
"""
GLOB_LANGUAGE_IN_REMARKS = """
    i (need|want) (all|the|every one of the) {L} files (in|under|from|inside) {D}
    (all|the|all the) {L} files (in|under) {D} (please|pls|)
    every {L} file (in|under) {D} (please|pls|)
    the {L} files (in|under|inside) {D}, (list them|which are there|show me)
"""
GLOB_ENDING = """
    !(list|find|show|show me|get|give me|locate|collect|enumerate) (all files|every file|the files|files|everything) (ending in|ending with|with the extension|with extension|with the suffix) {E}
    !(list|find|show me|get|give me) (all files|the files|files) (that end in|that end with|whose names end in|that have the extension) {E}
    !(list|find|show me|get|give me|locate|display) (all|all the|the|my) {E} files
    !(list|find|show me|get|give me) (every|each) {E} file
    look for {E} files
"""
GLOB_ENDING_QUESTIONS = """
    !(which|what) files (end in|end with|have the extension|have the ending) {E}?
    (which|what) {E} files (are there|do we have|exist)?
    are there any {E} files (here|in the project|)?
"""
GLOB_ENDING_IN = """
    !(list|find|show me|get|give me|locate) (all files|every file|the files|files) (ending in|ending with|with the extension) {E} (in|under|inside|below) {D}
    !(list|find|show me|get|give me|locate) (all|the|all the) {E} files (in|under|inside|below) {D}
    !(list|find|show me|get) (every|each) {E} file (in|under|inside|below) {D}
    in {D}, (list|find|show me) (all|all the|the) {E} files
    in {D}, (list|find|show me) every {E} file
"""
GLOB_ENDING_IN_QUESTIONS = """
    !(which|what) files (in|under|inside) {D} (end in|end with|have the extension) {E}?
    (which|what) {E} files are (in|under|inside) {D}?
"""
GLOB_CALLED = """
    !(find|locate|search for|look for|track down) (all files|every file|files|any file|all the files|the file|a file) (called|named|with the name) {N}
    !(list|show me|get) (all files|every file|files|all the files) (called|named|with the name) {N}
    !(find|list|locate) (all files|files|all the files) that are (called|named) {N}
    (find|locate) (every|each|all) {N} (in the project|in the repo|here|anywhere|in the tree)
    list all the places where a file (called|named) {N} (exists|lives|is)
"""
GLOB_CALLED_QUESTIONS = """
    !(where is|where's) the file (called|named) {N}?
    !(which|what) files are (called|named) {N}?
    is there (a|any) file (called|named) {N} (anywhere|somewhere|in the project|)?
    where (in the project|in the tree|in the repo) is the file (called |named |){N}?
    in which folder is (the file |){N} (located|stored)?
    in which folder does (the file |){N} live?
"""
GLOB_STARTING = """
    !(find|list|show me|get|give me|locate|look for) (all files|every file|files|the files) (starting with|beginning with|with the prefix) {S}
    !(find|list|show me|get|give me|locate) (all files|files|the files) (that start with|that begin with|whose names start with|whose names begin with) {S}
"""
GLOB_STARTING_QUESTIONS = """
    !(which|what) files (start|begin) with {S}?
    are there (any |)files (starting with|that start with|whose names begin with) {S}?
"""
GLOB_CONTAINING = """
    !(find|list|show me|get|give me|locate) (all files|every file|files|the files) (with|having) {S} in (the name|their name|the filename|their names|the file name)
    !(find|list|show me|locate) (files|all files) whose (names|filenames|file names) (contain|include|have) {S}
    !(find|list) every file whose (name|filename|file name) (contains|includes|has) {S}
"""
GLOB_CONTAINING_QUESTIONS = """
    !(which|what) files have {S} in (their name|the name|the filename|their names)?
    (which|what) file names contain {S}?
    are there files with {S} in (the name|the filename|their names)?
"""

GLOB_FOLDER_ORDERS = """
    (list|show|show me|give me|get|display|enumerate) (the files|all files|all the files|files|everything) (in|inside|under) {D}
    (list|show me|tell me|see) (what|which) files are (in|inside|under) {D}
"""
GLOB_FOLDER_QUESTIONS = """
    (what|which) files (are|do we have|live) (in|inside|under) {D}?
"""
