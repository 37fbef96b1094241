"""The console's pages of certificates and trust stores."""
