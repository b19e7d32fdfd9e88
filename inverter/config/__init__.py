"""Configuration: one dataclass schema a stage, filled from YAML files left to right, then from ``key=value``."""

from inverter.config.errors import ConfigError
from inverter.config.evaluation import DrawConfig, EvaluateConfig
from inverter.config.inversion import (
    CompletionConfig,
    DoctorConfig,
    HubConfig,
    ListConfig,
    PublishConfig,
    PushConfig,
    SenderConfig,
)
from inverter.config.keys import changed_keys
from inverter.config.kinds import unread_keys
from inverter.config.load import (
    YAML,
    config_of,
    config_root,
    find_config,
    load_config,
    load_words,
    names_file,
    read_config,
    show_defaults,
)
from inverter.config.memory import MemoryConfig
from inverter.config.pairs import (
    ArchitectureConfig,
    DatasetConfig,
    LayersConfig,
    NetworkConfig,
    PrepareConfig,
    TableConfig,
    TargetConfig,
    VideoConfig,
)
from inverter.config.prior import (
    AutoencoderConfig,
    DenoiserConfig,
    DistillConfig,
    ImageDataConfig,
)
from inverter.config.training import (
    DataConfig,
    InverterDistillConfig,
    OptimConfig,
    PairsConfig,
    TrainerConfig,
)
from inverter.config.vectors import VectorsConfig
from inverter.config.whitebox import (
    LoopConfig,
    SmoothingConfig,
)

__all__ = [
    "YAML",
    "ArchitectureConfig",
    "AutoencoderConfig",
    "CompletionConfig",
    "ConfigError",
    "DataConfig",
    "DatasetConfig",
    "DenoiserConfig",
    "DistillConfig",
    "DoctorConfig",
    "DrawConfig",
    "EvaluateConfig",
    "HubConfig",
    "ImageDataConfig",
    "InverterDistillConfig",
    "LayersConfig",
    "ListConfig",
    "LoopConfig",
    "MemoryConfig",
    "NetworkConfig",
    "OptimConfig",
    "PairsConfig",
    "PrepareConfig",
    "PublishConfig",
    "PushConfig",
    "SenderConfig",
    "SmoothingConfig",
    "TableConfig",
    "TargetConfig",
    "TrainerConfig",
    "VectorsConfig",
    "VideoConfig",
    "changed_keys",
    "config_of",
    "config_root",
    "find_config",
    "load_config",
    "load_words",
    "names_file",
    "read_config",
    "show_defaults",
    "unread_keys",
]
