from ._croissant import croissant as croissant
from .export import save as save
from .formats import formatted as formatted
from .imports import read as read
from .openai_rules import openai_problems as openai_problems
