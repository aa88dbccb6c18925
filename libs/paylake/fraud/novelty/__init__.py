"""Payments that look unlike the others, told without labels: a second channel beside the model that learnt from frauds.

Its score is never averaged into the supervised one, which that makes worse: it fills a review queue of its own, and speaks
of customers and kinds of fraud of which nothing is known yet. Libraries of models are loaded where one is trained.
"""
