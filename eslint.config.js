import js from "@eslint/js";
import globals from "globals";

// Text only ever becomes text: the ways to make HTML or code of it are closed.
const MAKES_HTML = ["innerHTML", "outerHTML", "insertAdjacentHTML", "write", "srcdoc"];

export default [
  js.configs.recommended,
  {
    files: ["wiz_kernel_ext/**/*.js"],
    languageOptions: { globals: globals.browser },
    rules: { "no-restricted-properties": ["error", ...MAKES_HTML.map((property) => ({ property }))] },
  },
  {
    files: ["tests/js/**/*.js"],
    languageOptions: { globals: { ...globals.node, ...globals.browser } },
  },
  {
    rules: {
      "no-var": "error",
      "prefer-const": "error",
      eqeqeq: "error",
      "no-shadow": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-unused-vars": ["error", { args: "after-used" }],
      "consistent-return": "error",
      "object-shorthand": "error",
      "prefer-template": "error",
    },
  },
];
