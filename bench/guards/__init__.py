"""How often the guards miss what they look for, how often they find what isn't there, and what they cost."""
