"""A ladder of published inverters: each rung prepared, trained, chosen on dev, evaluated and published."""
