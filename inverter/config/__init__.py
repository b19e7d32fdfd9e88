"""Configuration: one dataclass schema a stage, filled from YAML files left to right, then from ``key=value``."""

from inverter.config.errors import ConfigError
from inverter.config.evaluation import AuditConfig, BenchConfig, DrawConfig, EvaluateConfig, SplitConfig
from inverter.config.experiments import (
    BudgetConfig,
    ExperimentConfig,
    MethodsExperimentConfig,
    PicturesConfig,
    PointConfig,
    PromptsExperimentConfig,
    SmoothingExperimentConfig,
    SummaryConfig,
)
from inverter.config.inversion import InvertConfig, ListConfig, PublishConfig, SenderConfig
from inverter.config.load import changed_keys, config_root, find_config, load_config
from inverter.config.pairs import (
    ArchitectureConfig,
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
    "ArchitectureConfig",
    "AuditConfig",
    "AutoencoderConfig",
    "BenchConfig",
    "BudgetConfig",
    "ConfigError",
    "DataConfig",
    "DatasetConfig",
    "DenoiserConfig",
    "DirectConfig",
    "DistillConfig",
    "DrawConfig",
    "EvaluateConfig",
    "EvaluatePriorConfig",
    "ExperimentConfig",
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
    "MethodsExperimentConfig",
    "ModelConfig",
    "NetworkConfig",
    "OptimConfig",
    "PicturesConfig",
    "PointConfig",
    "PrepareConfig",
    "PromptsExperimentConfig",
    "PublishConfig",
    "SenderConfig",
    "SmoothingConfig",
    "SmoothingExperimentConfig",
    "SplitConfig",
    "SummaryConfig",
    "TargetConfig",
    "TrainConfig",
    "TrainerConfig",
    "VideoConfig",
    "changed_keys",
    "config_root",
    "find_config",
    "load_config",
]
