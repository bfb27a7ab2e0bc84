"""What a network's file consists of: it is read and edited here, and nothing is decided."""
