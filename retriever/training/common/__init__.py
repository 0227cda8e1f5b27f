"""What every training shares: checkpoints, losses, the trainer, parallel text."""
