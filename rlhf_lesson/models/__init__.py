"""Language models: GPT-2 with its heads, sampling, the tokenizer, models on disk, and a judge that reads text."""
