// The key that is typed under "Authorize" stays in this page's memory: nothing is stored.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis],
  persistAuthorization: false,
  validatorUrl: null,
  tryItOutEnabled: true,
  docExpansion: "list",
  showExtensions: true,
  defaultModelsExpandDepth: 0,
  syntaxHighlight: { theme: "idea" },
});
