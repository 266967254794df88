"""Who may use the gateway, and how much: API keys, client certificates, tokens of a provider, limits."""
