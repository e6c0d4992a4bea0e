"""How near each network comes to what the processor can do: the work of each contender's process."""
