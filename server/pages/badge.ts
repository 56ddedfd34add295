const LABEL = 'launch';
const NAME = 'liveleaf';

/** The badge that READMEs show; drawn here, so that it asks nobody for a font. */
export const badge = `<svg xmlns="http://www.w3.org/2000/svg" width="128" height="20" role="img" aria-label="${LABEL} ${NAME}">
<title>${LABEL} ${NAME}</title>
<rect width="128" height="20" rx="4" fill="#3b4252"/>
<path d="M50 0h74a4 4 0 0 1 4 4v12a4 4 0 0 1-4 4H50z" fill="#1f7a4d"/>
<path d="M58 15c-.6-5 2.600-9 9.500-9.500C68 12 64.500 15.200 60 14.600l2.500-4.100-3.200 3.600z" fill="#d9f2df"/>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="9" y="14">${LABEL}</text>
<text x="73" y="14">${NAME}</text>
</g>
</svg>
`;
