"""The router of this app. One for all its modules: operations of one address must be of the same router."""

from ninja import Router

router = Router()
