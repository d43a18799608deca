"""Attention and transformers as layers."""
