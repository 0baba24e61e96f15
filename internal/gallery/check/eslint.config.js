// Rules for the page: those that ESLint recommends, the sizes that the code in Go keeps to, and no way from a text to
// markup or to code.
import js from '@eslint/js';
import globals from 'globals';

const markup = ['innerHTML', 'outerHTML', 'insertAdjacentHTML', 'setHTMLUnsafe', 'srcdoc', 'createContextualFragment'];

export default [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2024, sourceType: 'module', globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      'array-callback-return': 'error',
      'consistent-return': 'off',
      eqeqeq: 'error',
      'max-len': ['error', { code: 120, tabWidth: 4, ignoreUrls: true }],
      'max-lines': ['error', 400],
      'max-lines-per-function': ['error', 60],
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
      'no-restricted-properties': ['error', ...markup.map((property) => ({ property })),
        { object: 'document', property: 'write' }, { object: 'document', property: 'cookie' }],
      'no-script-url': 'error',
      'no-shadow': 'error',
      'no-var': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
    },
  },
];
