// OAuth 2.0 Form Post Response Mode: go on without a click, where scripts run
document.getElementById("form-post").submit();
