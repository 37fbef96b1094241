"""The demo bank API: a development tool that lets a newcomer watch real servers judge a client certificate."""
