from .export import save as save
from .formats import formatted as formatted
from .openai_rules import openai_problems as openai_problems
