"""CRMs behind one small seam: leads, events and scores in; scores out."""
