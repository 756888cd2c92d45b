"""Language models: GPT-2 and Llama with their heads, sampling, the tokenizer, models on disk, and a judge that reads text."""
