"""The documentation site: its pages from the repository's Markdown files, and the generated reference pages."""
