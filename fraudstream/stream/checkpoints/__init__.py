"""What is durable of a memory: its changelog, who may write it, and how it is read back."""
