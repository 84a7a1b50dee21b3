/** A lesson's text: what stands between backticks is code, between asterisks it is stressed. */
export function Rich({ text }: { text: string }) {
  return (
    <>
      {text.split(/(`[^`]+`|\*[^*]+\*)/).map((part, at) => {
        if (part.startsWith('`')) return <code key={at}>{part.slice(1, -1)}</code>;
        if (part.startsWith('*')) return <em key={at}>{part.slice(1, -1)}</em>;
        return part;
      })}
    </>
  );
}
