"""Catalogues of translations, one .po file per language; English is the language of the code."""
