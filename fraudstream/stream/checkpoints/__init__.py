"""What is durable of a state: its changelog, who may write it, and how it is restored."""
