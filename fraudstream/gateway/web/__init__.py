"""The API of the gateway: requests, answers, problems, its description."""
