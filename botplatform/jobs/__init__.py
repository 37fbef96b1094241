"""Background work: the worker. Domain rows hold the state; the queue only carries hints."""
