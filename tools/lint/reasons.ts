import type { Rule } from 'eslint';

/** Reports a directive that switches a rule off without saying why: `eslint-disable-next-line some-rule -- why`. */
export const reasons: Rule.RuleModule = {
  meta: { type: 'problem', schema: [], messages: { reason: 'expected the reason after " -- ", got none' } },
  create: (context) => ({
    Program: () => {
      for (const comment of context.sourceCode.getAllComments()) {
        const text = comment.value.trim();
        const off = text.startsWith('eslint-disable') || /^@ts-(expect-error|ignore|nocheck)/.test(text);
        if (off && comment.loc && !/ -- \S/.test(text))
          context.report({ loc: comment.loc, messageId: 'reason' });
      }
    },
  }),
};
