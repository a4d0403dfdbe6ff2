"""What can go wrong with a template, in the words of Go's own engine."""


class TemplateError(Exception):
    """A template cannot be used; the message is Go's, with template name and line."""


class TemplateParseError(TemplateError):
    """The text is no template."""


class TemplateExecError(TemplateError):
    """The template does not render with this data."""


class TemplateLimitError(TemplateError):
    """The template asks for more work or memory than an untrusted one may have."""
