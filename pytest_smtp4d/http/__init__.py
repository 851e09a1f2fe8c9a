"""The live page and the API of `serve`, for programs in any language; it needs the extra `serve`."""
