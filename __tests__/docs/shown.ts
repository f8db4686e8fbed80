/**
 * The values that examples show in comments become assertions:
 *
 * - `await square(3); // => 9` and `const nine = await square(3); // => 9` state the value of the expression;
 * - `console.log(value); // => 9` states what is printed;
 * - `// => { status: 'hit', … }` states these properties and leaves others open;
 * - `=>` may be left out before a literal.
 */

import ts from 'typescript';

/** What the rewritten script calls. */
export const shownDeclaration = `
declare function __shows<T>(place: string, actual: T, expected: unknown): T;
declare function __showsSome<T>(place: string, actual: T, expected: unknown): T;
`;

interface Edit {
  readonly at: number;
  readonly text: string;
}

/** The same lines, with a call around each expression whose value is shown. */
export function withAssertions(code: string, file: string): string {
  const parsed = ts.createSourceFile('block.ts', code, ts.ScriptTarget.ES2022, true);
  const edits: Edit[] = [];
  const visit = (node: ts.Node): void => {
    const expression = statedExpression(node);
    const expected = expression && shownValue(code, node.end);
    if (expected !== undefined) edits.push(...editsFor(expression as ts.Expression, expected, place(node)));
    ts.forEachChild(node, visit);
  };
  const place = (node: ts.Node): string => `${file}:${parsed.getLineAndCharacterOfPosition(node.end).line + 1}`;
  visit(parsed);
  edits.sort((a, b) => b.at - a.at);
  return edits.reduce((text, { at, text: insert }) => text.slice(0, at) + insert + text.slice(at), code);
}

function editsFor(expression: ts.Expression, expected: string, place: string): Edit[] {
  const isOpen = expected.includes('…');
  const value = expected.replace(/,?\s*…/g, '');
  if (!isExpression(value)) throw new Error(`${place}: what is shown is no expression: ${expected}`);
  return [
    { at: expression.getStart(), text: `${isOpen ? '__showsSome' : '__shows'}(${JSON.stringify(place)}, ` },
    { at: expression.end, text: `, (${value}))` },
  ];
}

function statedExpression(node: ts.Node): ts.Expression | undefined {
  if (ts.isExpressionStatement(node)) return printed(node.expression) ?? node.expression;
  if (!ts.isVariableStatement(node)) return undefined;
  const [declaration, another] = node.declarationList.declarations;
  return another ? undefined : declaration?.initializer;
}

function printed(expression: ts.Expression): ts.Expression | undefined {
  if (!ts.isCallExpression(expression) || expression.arguments.length !== 1) return undefined;
  return expression.expression.getText() === 'console.log' ? expression.arguments[0] : undefined;
}

function shownValue(code: string, end: number): string | undefined {
  const [, arrow, text = ''] = /^[ \t]*\/\/[ \t]*(=>)?[ \t]*(.+)/.exec(code.slice(end)) ?? [];
  if (arrow !== undefined) return text.trim();
  return text !== '' && isLiteral(text.trim()) ? text.trim() : undefined;
}

function isExpression(text: string): boolean {
  return expressionOf(text) !== undefined;
}

function isLiteral(text: string): boolean {
  const expression = expressionOf(text);
  return expression !== undefined && isLiteralNode(expression);
}

function expressionOf(text: string): ts.Expression | undefined {
  const code = `(${text});`;
  const { diagnostics = [] } = ts.transpileModule(code, { reportDiagnostics: true });
  if (diagnostics.length > 0) return undefined;
  const [statement, another] = ts.createSourceFile('value.ts', code, ts.ScriptTarget.ES2022, true).statements;
  if (another || !statement || !ts.isExpressionStatement(statement)) return undefined;
  const { expression } = statement;
  return ts.isParenthesizedExpression(expression) ? expression.expression : undefined;
}

function isLiteralNode(node: ts.Expression): boolean {
  if (ts.isObjectLiteralExpression(node)) {
    return node.properties.every(
      (property) => ts.isPropertyAssignment(property) && isLiteralNode(property.initializer),
    );
  }
  if (ts.isArrayLiteralExpression(node)) return node.elements.every(isLiteralNode);
  if (ts.isPrefixUnaryExpression(node)) return isLiteralNode(node.operand);
  const words = [ts.SyntaxKind.TrueKeyword, ts.SyntaxKind.FalseKeyword, ts.SyntaxKind.NullKeyword];
  return ts.isLiteralExpression(node) || words.includes(node.kind) || node.getText() === 'undefined';
}
