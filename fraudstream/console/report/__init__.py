"""The report of a case, in the shape of a suspicious-activity report: one content, written as JSON or as PDF.

`builder` makes the `content` of a case, its alerts and the account's past; `narrative` tells it in sentences. `pdf`
writes it for people; the JSON form is the content itself, of which `docs/schemas` has the schema.
"""
