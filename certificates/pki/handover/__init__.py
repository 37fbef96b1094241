"""What a backend's team needs to trust a client certificate: facts as people ask for them, and ready lines."""
