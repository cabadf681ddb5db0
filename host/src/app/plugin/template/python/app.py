"""Says hello. Replace it with what your connector does: a function an action."""

from millwork_sdk import Connector, permanent

connector = Connector(
    name="{{name}}",
    version="0.1.0",
    description="Says hello. Write here what your connector does.",
    # As in [("http", "https://api.example"), ("secret", "api-token"), "kv"].
    asks=[],
)


@connector.action(
    title="Greet",
    read_only=True,
    idempotent=True,
    config_schema={
        "type": "object",
        "properties": {"name": {"type": "string", "description": "Whom to greet."}},
        "required": ["name"],
        "additionalProperties": False,
    },
    output_schema={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    examples=[("Greet Ada", {"name": "Ada"})],
)
def greet(config, context):
    """Says hello to somebody."""
    if not config["name"]:
        raise permanent("nobody", "there is nobody to greet")
    return {"text": f"Hello, {config['name']}!"}


Plugin = connector.export()
