"""What travels from the device in place of the features: one payload a file, registered."""

from inverter.payloads.payload import PAYLOADS, Payload, Sent, make_payload, same_payload

__all__ = ["PAYLOADS", "Payload", "Sent", "make_payload", "same_payload"]
