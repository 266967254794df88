"""The API for programs, `/api/v1`: an application of its own, with its own errors and its own description."""
