"""The nano reference model: a Phi-3-architecture model small enough to train from scratch on two cores.

`python -m trainers.nano all` runs the whole recipe: tokenizer, training, export to ONNX in fp32, int8 and int4, checks,
manifests, and with `--into` the model card.
It is a fixture, not a product: its model card says what it scores.
"""
