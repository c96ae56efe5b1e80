"""How `codec` does it: tags for what JSON lacks, and shapes for what an annotation declares."""
