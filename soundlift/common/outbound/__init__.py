"""Requests to addresses that strangers name, which reach nothing but permitted addresses and take bounded resources.

Webhooks and imports use `client.OutboundClient`. It is safe against server-side request forgery: a name is resolved
once, the connection goes to an address that was checked, and the address of the peer is checked again.
"""
