"""Releases for EMR Serverless and the job runs that they are started as, without any input or output."""
