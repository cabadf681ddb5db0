import Form from "@rjsf/core";
import validator from "@rjsf/validator-ajv8";
export default function SchemaForm({ schema, send, label }: { schema: any; send: (data: any) => void; label: string }) {
  return <Form schema={schema} validator={validator} onSubmit={({ formData }) => send(formData ?? {})}><button type="submit">{label}</button></Form>;
}
