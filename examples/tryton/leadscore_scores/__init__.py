"""Score fields for Tryton's leads: copy this folder into trytond/modules and activate it."""
