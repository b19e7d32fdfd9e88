"""Configuration: one dataclass schema a stage, filled from YAML files left to right, then from ``key=value``."""

from inverter.config.evaluation import AuditConfig, BenchConfig, EvaluateConfig, SplitConfig
from inverter.config.inversion import InvertConfig, ListConfig, PublishConfig, SenderConfig
from inverter.config.load import (
    ConfigError,
    changed_keys,
    config_root,
    find_config,
    load_config,
    save_config,
)
from inverter.config.pairs import (
    DatasetConfig,
    LayersConfig,
    NetworkConfig,
    PrepareConfig,
    TargetConfig,
    VideoConfig,
)
from inverter.config.prior import (
    AutoencoderConfig,
    DenoiserConfig,
    DistillConfig,
    EvaluatePriorConfig,
    ImageDataConfig,
    JudgeConfig,
)
from inverter.config.training import DataConfig, ModelConfig, OptimConfig, TrainConfig, TrainerConfig
from inverter.config.whitebox import (
    DirectConfig,
    GuidedConfig,
    HybridConfig,
    LatentConfig,
    LoopConfig,
    MethodsConfig,
    SmoothingConfig,
)

__all__ = [
    "AuditConfig",
    "AutoencoderConfig",
    "BenchConfig",
    "ConfigError",
    "DataConfig",
    "DatasetConfig",
    "DenoiserConfig",
    "DirectConfig",
    "DistillConfig",
    "EvaluateConfig",
    "EvaluatePriorConfig",
    "GuidedConfig",
    "HybridConfig",
    "ImageDataConfig",
    "InvertConfig",
    "JudgeConfig",
    "LatentConfig",
    "LayersConfig",
    "ListConfig",
    "LoopConfig",
    "MethodsConfig",
    "ModelConfig",
    "NetworkConfig",
    "OptimConfig",
    "PrepareConfig",
    "PublishConfig",
    "SenderConfig",
    "SmoothingConfig",
    "SplitConfig",
    "TargetConfig",
    "TrainConfig",
    "TrainerConfig",
    "VideoConfig",
    "changed_keys",
    "config_root",
    "find_config",
    "load_config",
    "save_config",
]
