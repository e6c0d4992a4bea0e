"""What two prompts differ in that no similarity of their vectors tells: numbers, colours, negations, order."""
