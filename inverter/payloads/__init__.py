"""What travels from the device in place of the features: one payload a file, registered."""

from inverter.payloads.payload import PAYLOADS, Payload, make_payload

__all__ = ["PAYLOADS", "Payload", "make_payload"]
