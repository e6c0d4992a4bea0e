"""In what two prompts differ that the similarity of their vectors does not tell: number, colour, order, …"""
