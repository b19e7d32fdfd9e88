from defences_toys import defend_config, pictures, toy_network

__all__ = ["defend_config", "pictures", "toy_network"]
