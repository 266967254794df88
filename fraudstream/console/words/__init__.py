"""The words of the console, a YAML file for each language: key to text, with `{name}` where a value stands."""
