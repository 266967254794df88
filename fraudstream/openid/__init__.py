"""What is asked of a provider of OpenID Connect or OAuth 2, whoever asks it."""
