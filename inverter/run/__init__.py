"""What every stage shares: output folders, records, trainings, processes, devices."""
