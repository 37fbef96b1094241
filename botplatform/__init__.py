"""The platform: composition root, and small apps that know nothing of certificates."""
