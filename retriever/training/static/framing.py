"""Openings of questions that say nothing of their subject.

Put before training queries, they teach the encoder to give such words little weight.
"""

__all__ = ["OPENINGS"]

_ENGLISH = """what is|what are|what was the|what did|what does|what would|what kind of|what type of|
what happened to|which|which of the following|which of these|which one of the following would be|
which of the following is true about|which of the following is not|which word|which option|
which of the following statements|which statement best describes|which answer|who|who was|
who is the|whose|when did|when was|where is|where was|where can|why did|why is|why does|how|
how do|how does|how many|how much|how long|name the|list the|is it true that|can you tell me|
according to the passage|according to the text|according to the article|according to the author|
based on the passage|based on the information|in the passage|in the text|in the article|
mentioned in the passage|the passage mentions|what does the author say about|
what can be inferred about|what is one of the|what is an example of|give an example of|
tell me about|i want to know|please explain|explain|describe|find documents about|
find information on|articles about|information about|looking for|documents discussing|
all of the following except|out of the following|likely|most likely|would be considered|
best described as|accurately describes|should be|does not"""
_GERMAN = """was ist|was sind|was bedeutet|welche|welche aussage|welcher der folgenden|wer war|
wann wurde|wo ist|warum|wie|wie viele|laut dem text|gemäß dem artikel|informationen über|
dokumente über|erkläre"""
_FRENCH = """qu'est-ce que|quel est|quelle est|lequel des éléments suivants|qui était|quand|
où se trouve|pourquoi|combien de|comment|selon le texte|d'après le passage|informations sur|
documents sur|expliquez"""
_SPANISH = """qué es|cuál es|cuál de las siguientes|quién fue|cuándo|dónde está|por qué|cuántos|
cómo|según el texto|según el pasaje|información sobre|documentos sobre|explique"""

OPENINGS = tuple(
    opening.strip()
    for language in (_ENGLISH, _GERMAN, _FRENCH, _SPANISH)
    for opening in language.split("|")
)
